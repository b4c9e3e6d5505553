"""Both CRMs' wire protocols as one local server, alive with invented people."""

"""Loan applications of the public log "BPI Challenge 2012", looked at week by week."""

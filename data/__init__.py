"""Tables, migrations, every write (`store`) and every read a screen needs (`metrics`)."""

"""How files, folders and addresses become rows: containers, encodings, tables. Does not know what a row means."""

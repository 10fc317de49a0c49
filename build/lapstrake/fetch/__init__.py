"""Downloads of what the lock names, from whatever mirrors and indexes the user has configured."""

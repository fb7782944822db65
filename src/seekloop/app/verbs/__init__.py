"""What each verb of the command line does. Imported one at a time, when called."""

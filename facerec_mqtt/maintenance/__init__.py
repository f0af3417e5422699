"""What an owner looks after the program with: checks, backup and restore."""

"""How the shipped face backbone was made: prepare, train, export, cohort, in this order."""

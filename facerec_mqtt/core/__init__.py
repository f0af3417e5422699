"""What every package builds on: errors, the values that flow, names, files and pictures."""

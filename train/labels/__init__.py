"""What an atlas says of labels, and how far that holds."""

"""A trained model as the members of an atlas file."""

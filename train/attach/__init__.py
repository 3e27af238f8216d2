"""What reference cells add to a model of another tool: all that needs no retraining."""

"""Types added to a finished atlas, beside an atlas trained with them."""

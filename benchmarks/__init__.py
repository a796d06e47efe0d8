"""What the documentation states is measured here, side by side with the alternative."""

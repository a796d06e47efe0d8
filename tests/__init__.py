"""LeafGate's promises, checked."""

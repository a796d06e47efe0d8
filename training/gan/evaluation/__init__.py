"""How good is a stored generator? `evidence` gathers, `measure` computes, `page` tells."""

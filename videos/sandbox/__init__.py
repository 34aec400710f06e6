"""A simulated provider: speaks the Luma videos contract on loopback and makes real videos, at no cost."""

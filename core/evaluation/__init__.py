"""What a kept model says, and what its figures are worth. It knows nothing of training."""

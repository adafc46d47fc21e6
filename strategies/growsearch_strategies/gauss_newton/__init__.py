"""The Gauss-Newton model of the loss: shared by the initializer and the selector of that name."""

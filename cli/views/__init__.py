"""What is drawn on the terminal: a text with its salience, lists, matrices, comparisons. Knows no disk and no model."""

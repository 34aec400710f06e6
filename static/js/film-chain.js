// Comes with its page.

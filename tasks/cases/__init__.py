"""Business processes: cases come in, are classified, answered, decided and sent on."""

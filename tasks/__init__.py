"""What is done: plain functions by room, and thin Prefect tasks over them."""

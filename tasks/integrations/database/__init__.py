"""The database: SQLAlchemy tables, migrations and the ports over them."""

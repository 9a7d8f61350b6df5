"""Weaviate 1.33 to 1.38 over weaviate-client 4: the `VectorIndex` of companies (docs/decisions/0012)."""

from tasks.integrations.weaviate.address import WeaviateAddress, parse_address, parse_headers
from tasks.integrations.weaviate.index import WeaviateIndex

__all__ = ["WeaviateAddress", "WeaviateIndex", "parse_address", "parse_headers"]

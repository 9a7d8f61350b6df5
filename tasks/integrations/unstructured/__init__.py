"""unstructured, behind the Partitioner port.

partitioner  the port: jobs in, outcomes out          pool     worker processes over a stream of jobs
worker       one file, in a worker                    limits   what a worker may not do
preload      what workers share, loaded once          kinds    which reader a file needs
rich, pdf    formats that unstructured partitions     tables   csv, xlsx, xls, row by row
texts        plain text, JSON                         containers  mails and archives, whose parts are read like files
mail_parts   of a mail: its text, its attachments     reading  what the readers share
"""

from tasks.integrations.unstructured.partitioner import UnstructuredPartitioner

__all__ = ["UnstructuredPartitioner"]

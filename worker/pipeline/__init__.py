"""The hall: frames wait in a mailbox a stream, gather to batches over streams, and are inferred by one thread."""

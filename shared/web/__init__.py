"""HTTP of every process: the application, reading requests, answering, problems, health."""

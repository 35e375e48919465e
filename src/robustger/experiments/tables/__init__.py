"""The experiments, one file for each table of the paper or group of tables that share their code."""

"""Measurements of the lab against its peers, in one run, interleaved, with the BLAS named."""

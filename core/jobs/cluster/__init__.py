"""A queue that uses Ray to train runs on the devices of one or more machines."""

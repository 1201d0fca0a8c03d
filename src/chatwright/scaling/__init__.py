"""Planning: what a model of some shape takes to train and to use, before anything is bought, rented or started."""

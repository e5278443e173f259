"""A run for other programs: model files, model cards, TensorBoard, MLflow. It changes nothing in the run's results."""

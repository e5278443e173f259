"""Export runs for other programs: model files, model cards, TensorBoard, MLflow. The run's results do not change."""

"""What computes: the model's arithmetic behind one small interface, by torch or by OpenVINO."""

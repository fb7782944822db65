"""The openvino form: a model with a state that OpenVINO and OpenVINO GenAI run, its weights in 32 to 4 bits."""

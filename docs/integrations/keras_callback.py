"""Keras: stops and saves when runwatch asks."""

import keras

from runwatch_halt import runwatch_halt


class RunwatchHalt(keras.callbacks.Callback):
    def __init__(self, path="halted.keras"):
        super().__init__()
        self.path = path

    def on_train_batch_end(self, batch, logs=None):
        if runwatch_halt():
            self.model.save(self.path)
            self.model.stop_training = True


def fit(model, *data, **arguments):
    return model.fit(*data, callbacks=[RunwatchHalt()], **arguments)


if __name__ == "__main__":
    import sys

    import numpy

    steps = int(sys.argv[1])
    inputs = numpy.random.rand(16 * steps, 8)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    fit(model, inputs, inputs.sum(axis=1), batch_size=16)

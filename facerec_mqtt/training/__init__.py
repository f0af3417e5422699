"""From photos' embeddings to a family's model: fitting it, judging it, comparing it with the one in use.

- `augmentation`: photos as a camera would have taken them
- `fit`: the training set, and the one way from it to a model
- `classifier_trainer`: the only module that imports TensorFlow
- `cross_validation`, `learning_curve`: how well the model does on photos that were held out
- `comparison`: whether it is clearly worse than the one in use
- `requirements`: whether TensorFlow can run here
"""

"""From a folder of images to a registered model: data, classifier, generators."""

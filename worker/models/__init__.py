"""The workshop: bundles, preprocessing, the detector, the classifier and the runtimes under them.

`bundle` reads and writes model bundles, `letterbox` and `crop` are the one preprocessing that training, evaluation and
serving share, `detector` and `classifier` are what the pipeline calls, `backends` chooses the runtime.
"""

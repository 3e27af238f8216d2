"""Every name that a pickle of a published model may hold; none is ever imported."""

from __future__ import annotations

_NAMES = {
    "builtins __builtin__": "dict list set frozenset tuple bytes bytearray slice object int float "
    "str bool complex range",
    "collections": "OrderedDict defaultdict Counter",
    "copyreg copy_reg": "_reconstructor",
    "_codecs": "encode",
    "datetime": "datetime date timedelta timezone",
    "numpy": "ndarray dtype bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 "
    "uint32 uint64 str_ object_ bytes_",
    "numpy.core.multiarray numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric numpy._core.numeric": "_frombuffer",
    "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
    "numpy.random._mt19937": "MT19937",
    "numpy.random.mtrand": "RandomState _rand",
    "celltypist.models": "Model",
    "sklearn.linear_model._logistic sklearn.linear_model.logistic": "LogisticRegression",
    "sklearn.linear_model._stochastic_gradient sklearn.linear_model.stochastic_gradient": (
        "SGDClassifier"
    ),
    "sklearn.linear_model._sgd_fast sklearn.linear_model.sgd_fast": "Log ModifiedHuber Hinge",
    "sklearn._loss._loss _loss": "CyHalfBinomialLoss __pyx_unpickle_CyHalfBinomialLoss CyHingeLoss "
    "__pyx_unpickle_CyLossFunction CyLossFunction",
    "sklearn._loss.loss": "HalfBinomialLoss",
    "sklearn.preprocessing._data sklearn.preprocessing.data": "StandardScaler",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    "torch": "Size device FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage "
    "IntStorage ShortStorage CharStorage ByteStorage BoolStorage float32 float64 int64",
    "torch.cuda": "FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage "
    "ShortStorage CharStorage ByteStorage BoolStorage",
    "torch.storage": "UntypedStorage TypedStorage _LegacyStorage _load_from_bytes",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_parameter "
    "_rebuild_parameter_with_state",
    "torch.nn.parameter": "Parameter",
    "torch.nn.modules.activation": "ReLU LeakyReLU PReLU ELU GELU SiLU SELU Tanh Sigmoid Softplus "
    "Mish Hardtanh ReLU6",
    "torch.nn.functional": "relu softplus",
    "pandas": "DataFrame Series Index",
    "pandas.core.frame": "DataFrame",
    "pandas.core.series": "Series",
    "pandas.core.indexes.base": "Index _new_Index",
    "pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.numeric": "Int64Index Float64Index UInt64Index NumericIndex",
    "pandas.core.indexes.category": "CategoricalIndex",
    "pandas.core.indexes.multi": "MultiIndex",
    "pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
    "pandas.indexes.base": "Index _new_Index",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas.core.internals": "BlockManager SingleBlockManager",
    "pandas.core.internals.blocks": "new_block",
    "pandas._libs.internals": "_unpickle_block BlockPlacement",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked NDArrayBacked",
    "pandas._libs.missing": "NAType",
    "pandas.core.arrays.categorical": "Categorical",
    "pandas.core.arrays.string_": "StringDtype StringArray",
    "pandas.core.arrays.string_arrow": "ArrowStringArray ArrowStringArrayNumpySemantics",
    "pandas.core.arrays.numpy_": "PandasArray NumpyExtensionArray",
    "pandas.core.arrays.masked": "BaseMaskedArray",
    "pandas.core.arrays.integer": "IntegerArray Int64Dtype",
    "pandas.core.arrays.floating": "FloatingArray Float64Dtype",
    "pandas.core.arrays.boolean": "BooleanArray BooleanDtype",
    "pandas.core.dtypes.dtypes": "CategoricalDtype PandasDtype NumpyEADtype",
    "pandas.api.types": "CategoricalDtype",
    "pandas.core.flags": "Flags",
    "pyarrow.lib": "chunked_array _restore_array py_buffer type_for_alias",
}

ALLOWED = frozenset(
    f"{module}.{name}"
    for modules, names in _NAMES.items()
    for module in modules.split()
    for name in names.split()
)

"""Who proposes: providers of language models, one file each, behind the `Model` protocol."""

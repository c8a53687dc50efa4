# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Processors that need different things against speculative execution, as docs/machine-speculation.md has them: for the
# boot tests and bench/mitigations.sh.
readonly SKYLAKE=edx=bc000600,caps=2000080,signature=506e3,mcu=11
readonly CASCADE=edx=bc000400,caps=20200eb,signature=50657,mcu=10
readonly SAPPHIRE=edx=bc000400,edx2=bf,caps=c00e16b,signature=806f8
readonly FREE=edx=bc000400,caps=d10e17b,signature=c06d1 # of all that there is to be free of
readonly NOTHING=edx=0,signature=506e3                  # is offered

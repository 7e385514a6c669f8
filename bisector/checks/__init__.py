"""Why a training may not work: one small pure function per check, on recorded facts."""

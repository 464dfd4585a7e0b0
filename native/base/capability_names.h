// The names of Linux capabilities as OCI documents spell them: the index is the kernel's number. Ends with NULL.
#pragma once

extern const char *const capability_names[];

// How many columns a character takes.
#pragma once

#include <stdint.h>

// 0, 1 or 2 for a character that is no control. The widths are those of xterm.js, which draws what is computed here,
// and so of an early Unicode: emoji take one column.
int character_width(uint32_t character);

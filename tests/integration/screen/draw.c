// Standard input as a terminal's output; on standard output, what draws the screen that it leaves. Arguments: columns, rows.
#include "screen/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    screen s;
    bh_error err;
    byte_queue drawing = {0};
    uint8_t bytes[65536];
    ssize_t length;
    if (argc != 3 || screen_open(&s, (frame_size){(uint16_t)atoi(argv[1]), (uint16_t)atoi(argv[2])}, &err) < 0)
        return 2;
    while ((length = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
        screen_feed(&s, bytes, (size_t)length);
    if (length < 0 || screen_draw(&s, &drawing, &err) < 0)
        return 1;
    fwrite(byte_queue_front(&drawing), 1, drawing.length, stdout);
    byte_queue_clear(&drawing);
    screen_close(&s);
    return fflush(stdout) == 0 ? 0 : 1;
}

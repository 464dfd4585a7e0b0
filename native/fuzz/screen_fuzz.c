// A terminal's output, which a learner's programs make up: fed to the model of the screen with sizes changing on the
// way, then drawn, and the drawing fed to another. Whatever the output was, the drawing must leave text and cursor
// alike.
#include "fuzz/fuzz.h"

#include "screen/screen.h"

static void expect_alike(const screen *a, const screen *b) {
    const grid *g = &a->now->grid, *h = &b->now->grid;
    for (int y = 0; y < g->rows; y++)
        for (int x = 0; x < g->columns; x++) {
            uint32_t c = g->row[y].cells[x].character, d = h->row[y].cells[x].character;
            // Behind the last column of a row with nothing in it, the cursor can be put only by a blank.
            fuzz_promise(c == d || (c == 0 && d == ' ' && x == g->columns - 1));
        }
    fuzz_promise(a->now->x == b->now->x && a->now->y == b->now->y);
    fuzz_promise((a->now == &a->main) == (b->now == &b->main));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    screen s, again;
    bh_error err;
    byte_queue drawing = {0};
    if (size < 2 || screen_open(&s, (frame_size){(uint16_t)(2 + data[0] % 60), (uint16_t)(1 + data[1] % 20)}, &err) < 0)
        return 0;
    for (size_t i = 2; i < size; i++) {
        // 0xf8 begins no character: here it changes the size.
        if (data[i] == 0xf8 && i + 2 < size) {
            screen_resize(&s, (frame_size){(uint16_t)(2 + data[i + 1] % 60), (uint16_t)(1 + data[i + 2] % 20)});
            i += 2;
        } else {
            screen_feed(&s, data + i, 1);
        }
    }
    if (screen_draw(&s, &drawing, &err) == 0 &&
        screen_open(&again, (frame_size){(uint16_t)s.columns, (uint16_t)s.rows}, &err) == 0) {
        screen_feed(&again, byte_queue_front(&drawing), drawing.length);
        expect_alike(&s, &again);
        screen_close(&again);
    }
    byte_queue_clear(&drawing);
    screen_close(&s);
    return 0;
}

// The event loop: order, removal from inside callbacks, timers, children.
#include "base/loop.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <cmocka.h>

static loop *l;
static bh_error err;

static int set_up(void **state) {
    (void)state;
    l = loop_new(&err);
    return l ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    loop_free(l);
    return 0;
}

// Two descriptors that are readable in the same batch; whichever is told first frees both.
typedef struct pair {
    loop_source source;
    struct pair *other;
} pair;

static int pair_calls;

static void free_both(loop_source *source, uint32_t events) {
    (void)events;
    pair *self = (pair *)source;
    pair *other = self->other;
    pair_calls++;
    loop_remove(l, &self->source);
    loop_remove(l, &other->source);
    close(self->source.fd);
    close(other->source.fd);
    free(self);
    free(other);
    loop_stop(l);
}

static void a_callback_may_free_a_source_whose_event_is_waiting(void **state) {
    (void)state;
    pair *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    *a = (pair){{eventfd(1, EFD_CLOEXEC), free_both}, b};
    *b = (pair){{eventfd(1, EFD_CLOEXEC), free_both}, a};
    assert_int_equal(loop_add(l, &a->source, EPOLLIN, &err), 0);
    assert_int_equal(loop_add(l, &b->source, EPOLLIN, &err), 0);

    pair_calls = 0;
    assert_int_equal(loop_run(l, &err), 0);
    assert_int_equal(pair_calls, 1);
}

static char fired[16];

typedef struct letter {
    loop_timer timer;
    char name;
    int repeats;
} letter;

static void note_letter(loop_timer *timer) {
    letter *self = (letter *)timer;
    assert_int_equal(timer->deadline_ms, 0);
    strncat(fired, &self->name, 1);
    if (self->repeats-- > 0)
        loop_timer_start(l, timer, 0);
}

static void note_and_stop(loop_timer *timer) {
    note_letter(timer);
    loop_stop(l);
}

static void timers_fire_in_order_and_a_restarted_one_moves(void **state) {
    (void)state;
    fired[0] = '\0';
    letter last = {{.fire = note_and_stop}, 'z', 0}, late = {{.fire = note_letter}, 'b', 0},
           early = {{.fire = note_letter}, 'a', 0}, never = {{.fire = note_letter}, 'x', 0};
    uint64_t before = loop_now_ms();
    loop_timer_start(l, &last.timer, 60);
    loop_timer_start(l, &late.timer, 1);
    loop_timer_start(l, &never.timer, 5);
    loop_timer_start(l, &late.timer, 30);
    loop_timer_start(l, &early.timer, 10);
    loop_timer_stop(l, &never.timer);

    assert_int_equal(loop_run(l, &err), 0);
    assert_string_equal(fired, "abz");
    assert_true(loop_now_ms() - before >= 60);
}

static void answer_and_stop(loop_source *source, uint32_t events) {
    (void)source;
    (void)events;
    strcat(fired, "f");
    loop_stop(l);
}

static void a_timer_that_restarts_itself_does_not_starve_descriptors(void **state) {
    (void)state;
    fired[0] = '\0';
    letter eager = {{.fire = note_letter}, 't', 1000};
    cleanup_fd int event = eventfd(0, EFD_CLOEXEC);
    loop_source source = {event, answer_and_stop};
    assert_int_equal(loop_add(l, &source, EPOLLIN, &err), 0);
    loop_timer_start(l, &eager.timer, 0);
    assert_int_equal(eventfd_write(event, 1), 0);

    assert_int_equal(loop_run(l, &err), 0);
    assert_string_equal(fired, "f");
    loop_timer_stop(l, &eager.timer);
}

static int seen_status;

static void note_exit(loop_child *child, int wait_status) {
    seen_status = wait_status;
    assert_int_equal(waitpid(child->pid, NULL, WNOHANG), -1); // reaped already
    loop_stop(l);
}

static void a_child_is_reaped_once_with_its_status(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    loop_child child = {.exited = note_exit, .pid = pid};
    assert_int_equal(loop_watch_child(l, &child, &err), 0);
    assert_int_equal(loop_run(l, &err), 0);
    assert_true(WIFEXITED(seen_status));
    assert_int_equal(WEXITSTATUS(seen_status), 7);
}

static void stopping_before_running_returns_at_once(void **state) {
    (void)state;
    loop_stop(l);
    assert_int_equal(loop_run(l, &err), 0);
}

static void a_bad_descriptor_is_an_error_that_names_it(void **state) {
    (void)state;
    loop_source source = {.fd = 999999};
    assert_int_equal(loop_add(l, &source, EPOLLIN, &err), -1);
    assert_non_null(strstr(err.message, "999999"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_callback_may_free_a_source_whose_event_is_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_fire_in_order_and_a_restarted_one_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_timer_that_restarts_itself_does_not_starve_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_is_reaped_once_with_its_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_before_running_returns_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_descriptor_is_an_error_that_names_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

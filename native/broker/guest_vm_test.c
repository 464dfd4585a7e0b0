// What two VMs must have in common for one to begin where the other was saved: nothing that matters may be left out.
#include "broker/guest_vm.h"
#include "broker/vm_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

static char images[64];
static broker host;
static machine vm;
static bh_error err;

static void write_digest(const char *digest) {
    char path[128];
    snprintf(path, sizeof path, "%s/vm/image.json", images);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "{\"digest\": \"%s\"}\n", digest);
    fclose(file);
}

static int set_up(void **state) {
    (void)state;
    char path[128];
    strcpy(images, "/tmp/bh-images-XXXXXX");
    assert_non_null(mkdtemp(images));
    snprintf(path, sizeof path, "%s/vm", images);
    assert_int_equal(mkdir(path, 0700), 0);
    write_digest("one");
    host.config.images_dir = images;
    vm = (machine){.broker = &host, .image = "vm", .limits = {.memory_bytes = 256 << 20, .cpu_millis = 1000}};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/vm/image.json", images);
    unlink(path);
    snprintf(path, sizeof path, "%s/vm", images);
    rmdir(path);
    return rmdir(images);
}

static void what_differs_in_anything_has_another_template(void **state) {
    (void)state;
    char key[VM_KEY_MAX], other[VM_KEY_MAX];
    assert_int_equal(guest_vm_key(&vm, key, sizeof key, &err), 0);
    machine others[] = {vm, vm, vm};
    others[0].limits.memory_bytes += 1 << 20;
    others[1].limits.cpu_millis = 2000;
    others[2].selinux = true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(guest_vm_key(&others[i], other, sizeof other, &err), 0);
        assert_string_not_equal(key, other);
    }
    write_digest("another");
    assert_int_equal(guest_vm_key(&vm, other, sizeof other, &err), 0);
    assert_string_not_equal(key, other);
}

static void names_and_owners_do_not_matter(void **state) {
    (void)state;
    char key[VM_KEY_MAX], other[VM_KEY_MAX];
    machine same = vm;
    strcpy(same.id, "another");
    strcpy(same.hostname, "another");
    same.slot = 9;
    assert_int_equal(guest_vm_key(&vm, key, sizeof key, &err), 0);
    assert_int_equal(guest_vm_key(&same, other, sizeof other, &err), 0);
    assert_string_equal(key, other);
}

static void qemu_and_the_hosts_kernel_are_part_of_it(void **state) {
    (void)state;
    char key[VM_KEY_MAX], qemu[64];
    struct stat binary = {0};
    struct utsname kernel;
    stat(VM_QEMU, &binary);
    uname(&kernel);
    snprintf(qemu, sizeof qemu, "QEMU %lld %lld", (long long)binary.st_mtime, (long long)binary.st_size);
    assert_int_equal(guest_vm_key(&vm, key, sizeof key, &err), 0);
    assert_non_null(strstr(key, qemu));
    assert_non_null(strstr(key, kernel.release));
    assert_non_null(strstr(key, kernel.version));
}

static void an_image_without_a_digest_has_none(void **state) {
    (void)state;
    char key[VM_KEY_MAX];
    machine unknown = vm;
    strcpy(unknown.image, "missing");
    assert_int_equal(guest_vm_key(&unknown, key, sizeof key, &err), -1);
    assert_non_null(strstr(err.message, "labs/images/build"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_differs_in_anything_has_another_template, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_and_owners_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(qemu_and_the_hosts_kernel_are_part_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_image_without_a_digest_has_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

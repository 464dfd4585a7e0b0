// QEMU's command line: which devices there are, and that names cannot smuggle in more.
#include "broker/vm_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const vm_spec spec = {
    .dir = "/nowhere",
    .image_dir = "/nowhere",
    .hostname = "vm.example",
    .machine_id = "ab12",
    .memory_bytes = 256 << 20,
    .cpus = 1,
    .accel = "tcg",
};
static bh_error err;

// The value that follows `option` for the `nth` time (from 0), or NULL.
static const char *value_of(const vm_command *command, const char *option, int nth) {
    for (int i = 0; i + 1 < command->count; i++) {
        if (strcmp(command->argv[i], option) == 0 && nth-- == 0)
            return command->argv[i + 1];
    }
    return NULL;
}

static bool has(const vm_command *command, const char *argument) {
    for (int i = 0; i < command->count; i++) {
        if (strcmp(command->argv[i], argument) == 0)
            return true;
    }
    return false;
}

static void a_machine_has_one_disk_one_port_and_no_network(void **state) {
    (void)state;
    vm_command command;
    assert_int_equal(vm_command_build(&spec, &command, &err), 0);
    assert_string_equal(value_of(&command, "-device", 0), "virtio-blk-pci,drive=disk");
    assert_string_equal(value_of(&command, "-device", 1), "virtio-serial-pci,max_ports=2");
    assert_string_equal(value_of(&command, "-device", 2), "virtserialport,chardev=link,name=org.bulkhead.link");
    assert_string_equal(value_of(&command, "-device", 3), "pvpanic");
    assert_null(value_of(&command, "-device", 4));
    assert_true(has(&command, "-nodefaults") && has(&command, "-no-user-config"));
    assert_false(has(&command, "-netdev") || has(&command, "-nic") || has(&command, "-net"));
    assert_non_null(strstr(value_of(&command, "-blockdev", 0), "read-only=on"));
    assert_string_equal(value_of(&command, "-sandbox", 0),
                        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    assert_null(command.argv[command.count]);
}

static void emulation_uses_the_machine_that_never_hung_and_kvm_the_small_one(void **state) {
    (void)state;
    vm_command command;
    assert_int_equal(vm_command_build(&spec, &command, &err), 0);
    assert_int_equal(strncmp(value_of(&command, "-machine", 0), "q35,hpet=off,vmport=off", 23), 0);
    assert_string_equal(value_of(&command, "-cpu", 0), "max,-vmx,-svm");
    assert_non_null(strstr(value_of(&command, "-append", 0), " bulkhead.emulated "));

    vm_spec kvm = spec;
    kvm.accel = "kvm";
    assert_int_equal(vm_command_build(&kvm, &command, &err), 0);
    assert_int_equal(strncmp(value_of(&command, "-machine", 0), "microvm", 7), 0);
    assert_string_equal(value_of(&command, "-accel", 0), "kvm");
    assert_string_equal(value_of(&command, "-cpu", 0), "host,-vmx,-svm");
    assert_null(strstr(value_of(&command, "-append", 0), "emulated"));
    assert_string_equal(value_of(&command, "-device", 0), "virtio-blk-device,drive=disk");
}

static void only_a_vm_that_is_asked_to_have_selinux_has_it(void **state) {
    (void)state;
    vm_command command;
    assert_int_equal(vm_command_build(&spec, &command, &err), 0);
    assert_null(strstr(value_of(&command, "-append", 0), "security="));
    vm_spec labelled = spec;
    labelled.selinux = true;
    assert_int_equal(vm_command_build(&labelled, &command, &err), 0);
    assert_non_null(strstr(value_of(&command, "-append", 0), " security=selinux "));
}

static void memory_has_one_name_wherever_it_comes_from(void **state) {
    (void)state;
    vm_command command;
    assert_int_equal(vm_command_build(&spec, &command, &err), 0);
    assert_string_equal(value_of(&command, "-object", 0), "memory-backend-ram,id=ram,size=256M");
    assert_non_null(strstr(value_of(&command, "-machine", 0), ",memory-backend=ram"));
    assert_null(value_of(&command, "-incoming", 0));

    vm_spec other = spec;
    vm_memory memory = {.ram = 7, .state = 8, .copy = false};
    other.memory = &memory;
    assert_int_equal(vm_command_build(&other, &command, &err), 0);
    assert_string_equal(value_of(&command, "-object", 0),
                        "memory-backend-file,id=ram,size=256M,mem-path=/fds/6,share=on");
    assert_null(value_of(&command, "-incoming", 0));

    // What a copy writes is its own: a mapping that is shared would be everybody's.
    memory.copy = true;
    assert_int_equal(vm_command_build(&other, &command, &err), 0);
    assert_string_equal(value_of(&command, "-object", 0),
                        "memory-backend-file,id=ram,size=256M,mem-path=/fds/6,share=off");
    assert_string_equal(value_of(&command, "-incoming", 0), "defer");

    memory.ram = -1;
    assert_int_equal(vm_command_build(&other, &command, &err), 0);
    assert_string_equal(value_of(&command, "-object", 0), "memory-backend-ram,id=ram,size=256M");
    assert_string_equal(value_of(&command, "-incoming", 0), "defer");
}

static void a_name_that_would_become_an_option_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"", "vm,debug-threads=on", "vm init=/bin/sh", "vm\n", "v\xc3\xa4m", "../vm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        vm_command command;
        vm_spec hostile = spec;
        hostile.hostname = names[i];
        assert_int_equal(vm_command_build(&hostile, &command, &err), -1);
        hostile = spec;
        hostile.machine_id = names[i];
        assert_int_equal(vm_command_build(&hostile, &command, &err), -1);
    }
}

static void a_machine_without_memory_or_cpu_is_refused(void **state) {
    (void)state;
    vm_command command;
    vm_spec poor = spec;
    poor.memory_bytes = 1 << 20;
    assert_int_equal(vm_command_build(&poor, &command, &err), -1);
    poor = spec;
    poor.cpus = 0;
    assert_int_equal(vm_command_build(&poor, &command, &err), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_has_one_disk_one_port_and_no_network),
        cmocka_unit_test(emulation_uses_the_machine_that_never_hung_and_kvm_the_small_one),
        cmocka_unit_test(only_a_vm_that_is_asked_to_have_selinux_has_it),
        cmocka_unit_test(memory_has_one_name_wherever_it_comes_from),
        cmocka_unit_test(a_name_that_would_become_an_option_is_refused),
        cmocka_unit_test(a_machine_without_memory_or_cpu_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

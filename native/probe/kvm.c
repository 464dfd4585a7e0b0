// A guest of a few instructions: see kvm.h. /dev/kvm may open, make a machine and a processor, and still never run one
// instruction of a guest, or interpret each (some clouds' KVM does, a thousand times slower than emulation by QEMU). So
// this guest counts, as a kernel would run: in long mode, with paging. What it proves is small even so: before the
// broker relies on KVM it boots the whole image (broker/vm_accel.c).
#include "probe/kvm.h"

#include "base/cleanup.h"
#include "probe/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

// Counting takes half a millisecond where a processor does it, and four seconds where KVM interprets.
#define TRIAL_TIMEOUT_MS 1000

#if defined(__x86_64__)

#define GUEST_WORD 'B'
#define GUEST_PORT 0x10

// The guest's memory: a page of code and three of page tables, from address 0 on. Nothing is in the first page.
enum { CODE = 0x1000, PML4 = 0x2000, PDPT = 0x3000, PD = 0x4000, GUEST_BYTES = 0x5000 };
enum { PAGE_PRESENT_WRITABLE = 0x3, PAGE_LARGE = 0x80 };
enum { CR0_PE = 1, CR4_PAE = 0x20, EFER_LME = 0x100, EFER_LMA = 0x400, SEGMENT_CODE = 11 };
#define CR0_PG 0x80000000u

static const uint8_t guest_code[] = {
    0xb9, 0x00,       0x00, 0x10, 0x00, // mov $0x100000, %ecx
    0xff, 0xc9,                         // dec %ecx
    0x75, 0xfc,                         // jnz, one back
    0xb0, GUEST_WORD,                   // mov $'B', %al
    0xe6, GUEST_PORT,                   // out %al, $0x10
    0xf4,                               // hlt
};

// One large page maps the first two megabytes onto themselves.
static void write_guest(uint8_t *memory) {
    const uint64_t pml4 = PDPT | PAGE_PRESENT_WRITABLE, pdpt = PD | PAGE_PRESENT_WRITABLE;
    const uint64_t pd = PAGE_PRESENT_WRITABLE | PAGE_LARGE;
    memcpy(memory + CODE, guest_code, sizeof guest_code);
    memcpy(memory + PML4, &pml4, sizeof pml4);
    memcpy(memory + PDPT, &pdpt, sizeof pdpt);
    memcpy(memory + PD, &pd, sizeof pd);
}

static int load_guest(int vm, bh_error *err) {
    void *memory = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return bh_fail(err, errno, "cannot get memory for a guest");
    write_guest(memory);
    struct kvm_userspace_memory_region region = {
        .memory_size = GUEST_BYTES,
        .userspace_addr = (uint64_t)memory,
    };
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return bh_fail(err, errno, "KVM gives a guest no memory");
    return 0;
}

// Long mode at once: the registers are as a boot loader would leave them (AMD64 manual, volume 2, chapter 14).
static int set_start(int vcpu, bh_error *err) {
    struct kvm_sregs s;
    struct kvm_regs registers = {.rip = CODE, .rflags = 2}; // bit 1 is always set
    if (ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
        return bh_fail(err, errno, "KVM does not show a processor's registers");
    s.cr0 |= CR0_PE | CR0_PG;
    s.cr3 = PML4;
    s.cr4 |= CR4_PAE;
    s.efer = EFER_LME | EFER_LMA;
    s.cs =
        (struct kvm_segment){.limit = ~0u, .selector = 8, .type = SEGMENT_CODE, .present = 1, .s = 1, .l = 1, .g = 1};
    if (ioctl(vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(vcpu, KVM_SET_REGS, &registers) < 0)
        return bh_fail(err, errno, "KVM does not set a processor's registers");
    return 0;
}

// Until the guest halts; it must have said its word before.
static int run_guest(int vcpu, struct kvm_run *run, bh_error *err) {
    bool said = false;
    for (;;) {
        if (ioctl(vcpu, KVM_RUN, 0) < 0) {
            if (errno == EINTR)
                continue;
            return bh_fail(err, errno, "KVM does not run a guest");
        }
        const uint8_t *data = (const uint8_t *)run + run->io.data_offset;
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT && *data == GUEST_WORD)
            said = true;
        else if (run->exit_reason == KVM_EXIT_HLT && said)
            return 0;
        else
            return bh_fail(err, 0, "the trial guest ended for reason %u of linux/kvm.h", run->exit_reason);
    }
}

static int boot(void *argument, bh_error *err) {
    (void)argument;
    cleanup_fd int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        return bh_fail(err, errno, "cannot open /dev/kvm");
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return bh_fail(err, 0, "/dev/kvm speaks another version than %d", KVM_API_VERSION);
    cleanup_fd int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0)
        return bh_fail(err, errno, "KVM makes no machine");
    if (load_guest(vm, err) < 0)
        return -1;
    cleanup_fd int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0)
        return bh_fail(err, errno, "KVM makes no processor");
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    void *run = size < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        return bh_fail(err, errno, "cannot map a guest's processor");
    return set_start(vcpu, err) < 0 ? -1 : run_guest(vcpu, run, err);
}

#else

static int boot(void *argument, bh_error *err) {
    (void)argument;
    return bh_fail(err, ENOTSUP, "there is a trial guest for x86 only");
}

#endif

int kvm_try(bh_error *err) {
    int result = trial_run(boot, NULL, TRIAL_TIMEOUT_MS, err);
    if (result < 0 && err->code == ETIMEDOUT)
        return bh_fail(err, 0, "a guest that counts to a million, half a millisecond's work, did not end within %d s",
                       TRIAL_TIMEOUT_MS / 1000);
    return result;
}

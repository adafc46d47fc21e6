"""Every exact site of many public architectures grown at once: is the function kept?"""
